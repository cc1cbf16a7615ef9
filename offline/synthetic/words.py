"""The words that a made-up catalogue is written with."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Category:
    """A leaf of the catalogue tree. `price` is the median of its items; `zh` are Chinese words for path and noun."""

    department: str
    name: str
    nouns: tuple[str, ...]
    price: float
    zh: str


_TREE: tuple[tuple[str, tuple[tuple[str, str, float, str], ...]], ...] = (
    (
        "Shoes",
        (
            ("Trail", "trail shoes, trail runners", 110, "越野跑鞋"),
            ("Running", "running shoes, road runners", 120, "跑步鞋"),
            ("Sandals", "sandals, slides", 45, "凉鞋"),
            ("Boots", "ankle boots, winter boots", 140, "靴子"),
        ),
    ),
    (
        "Outdoor",
        (
            ("Tents", "dome tent, tunnel tent", 230, "帐篷"),
            ("Backpacks", "backpack, daypack", 95, "双肩背包"),
            ("Sleeping Bags", "sleeping bag, down quilt", 130, "睡袋"),
            ("Camp Kitchen", "camp stove, cook set", 55, "露营炉具"),
        ),
    ),
    (
        "Clothing",
        (
            ("Jackets", "rain jacket, insulated jacket", 150, "夹克"),
            ("Shirts", "shirt, polo shirt", 35, "衬衫"),
            ("Trousers", "trousers, chinos", 60, "长裤"),
            ("Knitwear", "sweater, cardigan", 70, "毛衣"),
        ),
    ),
    (
        "Kitchen",
        (
            ("Cookware", "frying pan, saucepan", 50, "平底锅"),
            ("Knives", "chef knife, bread knife", 65, "厨师刀"),
            ("Coffee", "coffee grinder, espresso maker", 110, "咖啡机"),
            ("Storage", "food container, storage jar", 18, "保鲜盒"),
        ),
    ),
    (
        "Electronics",
        (
            ("Headphones", "headphones, earbuds", 90, "耳机"),
            ("Speakers", "bluetooth speaker, soundbar", 120, "音箱"),
            ("Chargers", "wall charger, power bank", 28, "充电器"),
            ("Keyboards", "mechanical keyboard, wireless keyboard", 80, "键盘"),
        ),
    ),
    (
        "Home",
        (
            ("Lamps", "desk lamp, floor lamp", 60, "台灯"),
            ("Bedding", "duvet cover, bed sheet", 55, "床上用品"),
            ("Rugs", "wool rug, door mat", 90, "地毯"),
            ("Shelves", "wall shelf, bookcase", 85, "书架"),
        ),
    ),
    (
        "Beauty",
        (
            ("Skin Care", "face cream, cleanser", 24, "面霜"),
            ("Hair Care", "shampoo, hair mask", 14, "洗发水"),
            ("Make-up", "lipstick, mascara", 19, "口红"),
            ("Fragrance", "eau de toilette, body mist", 58, "香水"),
        ),
    ),
    (
        "Toys",
        (
            ("Building Sets", "building set, brick box", 40, "积木"),
            ("Board Games", "board game, card game", 30, "桌游"),
            ("Plush", "plush bear, plush rabbit", 20, "毛绒玩具"),
            ("Puzzles", "jigsaw puzzle, wooden puzzle", 17, "拼图"),
        ),
    ),
    (
        "Cycling",
        (
            ("Helmets", "bike helmet, road helmet", 75, "骑行头盔"),
            ("Lights", "bike light, rear light", 32, "自行车灯"),
            ("Locks", "u-lock, chain lock", 48, "自行车锁"),
            ("Tyres", "road tyre, gravel tyre", 38, "轮胎"),
        ),
    ),
    (
        "Garden",
        (
            ("Tools", "pruning shears, garden spade", 27, "园艺剪"),
            ("Pots", "plant pot, hanging planter", 22, "花盆"),
            ("Watering", "garden hose, watering can", 34, "浇水壶"),
            ("Furniture", "garden chair, folding table", 99, "户外椅"),
        ),
    ),
)

CATEGORIES: tuple[Category, ...] = tuple(
    Category(department, name, tuple(nouns.split(", ")), price, zh)
    for department, leaves in _TREE
    for name, nouns, price, zh in leaves
)

BRAND_STARTS = (
    "Alder",
    "Brim",
    "Calder",
    "Dovet",
    "Elm",
    "Fjord",
    "Garn",
    "Haldo",
    "Ivo",
    "Junip",
    "Kest",
    "Lumen",
    "Maro",
    "Nordal",
    "Oster",
    "Pell",
)
BRAND_ENDS = ("wick", "line", "ra", "stone", "by", "well", "mark", "ette", "hus", "via", "gate", "co")

ADJECTIVES: tuple[tuple[str, str], ...] = (
    ("light", "轻便"),
    ("rugged", "耐用"),
    ("compact", "小巧"),
    ("classic", "经典"),
    ("soft", "柔软"),
    ("slim", "修身"),
    ("everyday", "日常"),
    ("premium", "高级"),
    ("folding", "折叠"),
    ("waterproof", "防水"),
    ("quiet", "静音"),
    ("vintage", "复古"),
    ("modern", "现代"),
    ("warm", "保暖"),
    ("breathable", "透气"),
    ("natural", "天然"),
    ("bright", "明亮"),
    ("sturdy", "坚固"),
    ("mini", "迷你"),
    ("large", "大号"),
)

MATERIALS: tuple[tuple[str, str], ...] = (
    ("recycled polyester", "再生涤纶"),
    ("cotton", "纯棉"),
    ("merino wool", "美利奴羊毛"),
    ("aluminium", "铝合金"),
    ("stainless steel", "不锈钢"),
    ("oak", "橡木"),
    ("bamboo", "竹"),
    ("leather", "皮革"),
    ("silicone", "硅胶"),
    ("glass", "玻璃"),
    ("nylon", "尼龙"),
    ("ceramic", "陶瓷"),
)

COLOURS: tuple[tuple[str, str], ...] = (
    ("black", "黑色"),
    ("white", "白色"),
    ("navy", "藏青色"),
    ("red", "红色"),
    ("olive", "橄榄绿"),
    ("sand", "沙色"),
    ("grey", "灰色"),
    ("sky blue", "天蓝色"),
    ("mustard", "芥末黄"),
    ("rose", "玫瑰色"),
)

USES: tuple[tuple[str, str], ...] = (
    ("long weekends", "周末出行"),
    ("daily use", "日常使用"),
    ("small homes", "小户型"),
    ("cold mornings", "寒冷的早晨"),
    ("gifts", "送礼"),
    ("travel", "旅行"),
    ("beginners", "新手"),
    ("rainy days", "雨天"),
)

SIZES = ("S", "M", "L", "XL", "one size")
