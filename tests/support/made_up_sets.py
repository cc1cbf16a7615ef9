"""Made-up exports in the columns of public data sets of purchases."""

from made_up_exports import DAYS, LINES, ORDERS, THINGS, WORDS, Export, name_of, table

# fmt: off


def marketplace() -> Export:
    """Lines, orders, customers, and categories in another language, as Olist has them."""
    line = [
        [f"{n // 3:032x}", 1 + n % 3, f"{i + 7:032x}", f"{n % 4:032x}", f"{DAYS[n + 9]} 12:00:00", "9.9", "3.1"]
        for n, _, i in LINES
    ]
    orders = [[f"{o:032x}", f"{9_000 + o:032x}", "canceled" if o % 20 == 3 else "delivered", f"{DAYS[o]} 08:00:00",
    f"{DAYS[o + 5]} 08:00:00"]
              for o, _ in ORDERS]
    customers = [[f"{9_000 + o:032x}", f"{5_000 + u:032x}", "04811", "franca", "SP"] for o, u in ORDERS]
    products = [[f"{n + 7:032x}", WORDS[n % 8] + "_pt", 40, 700, 1 + n % 4, 500 + 50 * (n % 4)] for n in range(23)]
    return Export(
        {
            "shop_order_items_dataset.csv": table(["order_id", "order_item_id", "product_id", "seller_id",
            "shipping_limit_date", "price", "freight_value"], line),
            "shop_orders_dataset.csv": table(["order_id", "customer_id", "order_status", "order_purchase_timestamp",
            "order_delivered_customer_date"], orders),
            "shop_customers_dataset.csv": table(["customer_id", "customer_unique_id", "customer_zip_code_prefix",
            "customer_city", "customer_state"], customers),
            "shop_products_dataset.csv": table(["product_id", "product_category_name", "product_name_lenght",
            "product_description_lenght", "product_photos_qty", "product_weight_g"], products),
            "product_category_name_translation.csv": table(["product_category_name",
            "product_category_name_english"], [[word + "_pt", word] for word in WORDS]),
        },
        {"path": ["shop_order_items_dataset.csv", {"path": "shop_orders_dataset.csv", "on": "order_id"},
                  {"path": "shop_customers_dataset.csv", "on": "customer_id"}],
         "user": "customer_unique_id", "item": "product_id", "time": "order_purchase_timestamp", "price": "price",
         "type": {"constant": "purchase"}, "where": 'order_status not in ["canceled"]'},
        {"path": ["shop_products_dataset.csv", {"path": "product_category_name_translation.csv",
        "on": "product_category_name"}],
         "id": "product_id", "category": "product_category_name_english"},
        nowhere=["customer_city", "customer_zip_code_prefix", "seller_id"],
    )


def groceries() -> Export:
    """Lines of two files, orders without times, aisles and departments by number, as Instacart has them."""
    prior = [[n // 3, i, 1 + n % 3, n % 2] for n, _, i in LINES]
    orders = [[o, u, "prior", 1 + o // 17, o % 7, 8 + o % 9, ""] for o, u in ORDERS]
    return Export(
        {
            "order_products__prior.csv": table(["order_id", "product_id", "add_to_cart_order", "reordered"],
            prior[:60]),
            "order_products__train.csv": table(["order_id", "product_id", "add_to_cart_order", "reordered"],
            prior[60:]),
            "orders.csv": table(["order_id", "user_id", "eval_set", "order_number", "order_dow",
            "order_hour_of_day", "days_since_prior_order"], orders),
            "products.csv": table(["product_id", "product_name", "aisle_id", "department_id"], [[n, name_of(n),
            n % 6, n % 3] for n in range(23)]),
            "aisles.csv": table(["aisle_id", "aisle"], [[n, f"aisle of {WORDS[n]}"] for n in range(6)]),
            "departments.csv": table(["department_id", "department"], [[n, f"{THINGS[n]}s"] for n in range(3)]),
        },
        {"path": ["order_products__prior.csv", "order_products__train.csv", {"path": "orders.csv", "on": "order_id"}],
         "user": "user_id", "item": "product_id", "position": ["order_number", "add_to_cart_order"],
         "type": {"constant": "purchase"}},
        {"path": ["products.csv", {"path": "aisles.csv", "on": "aisle_id"}, {"path": "departments.csv",
        "on": "department_id"}],
         "id": "product_id", "title": "product_name", "category": "department", "attributes": ["aisle"]},
    )


def long_properties() -> Export:
    """Visitors, and a long table of properties, as RetailRocket has them."""
    events = [
        [1_433_221_332_117 + n * 1_000, 257_000 + u, ("view", "addtocart", "transaction")[n % 3], 355_900 + i, ""]
        for n, u, i in LINES
    ]
    properties = [
        [1_435_460_400_000 + week, 355_900 + n, name, value]
        for n in range(23)
        for week in (0, 604_800_000)
        for name, value in (("categoryid", 100 + n % 5), ("available", n % 2), ("790", f"n{n % 4}.000"))
    ]
    return Export(
        {
            "events.csv": table(["timestamp", "visitorid", "event", "itemid", "transactionid"], events),
            "item_properties_part1.csv": table(["timestamp", "itemid", "property", "value"], properties[:70]),
            "item_properties_part2.csv": table(["timestamp", "itemid", "property", "value"], properties[70:]),
        },
        {"visitor": "visitorid", "item": "itemid", "type": "event", "time": "timestamp"},
        {"path": [{"path": "item_properties_part*.csv", "on": "itemid",
                  "pivot": ["property", "value"], "newest": "timestamp"}],
         "id": "itemid", "category": "categoryid", "in_stock": "available", "attributes": ["790"]},
        types={"view": "view", "addtocart": "cart", "transaction": "purchase"},
    )


def fashion() -> Export:
    header = ["article_id", "product_code", "prod_name", "product_type_no", "product_type_name", "colour_group_code",
              "colour_group_name", "index_name", "detail_desc"]
    articles = [[f"0{663713000 + n}", f"0{663713 + n // 2}", name_of(n), 250 + n % 8, THINGS[n % 8], f"0{n % 8}",
    WORDS[n % 8], "Womens", f"A {name_of(n)} with pads"]
                for n in range(23)]
    customers = [
        [
            f"{u:064x}",
            "",
            "",
            "ACTIVE" if u % 2 else "PRE-CREATE",
            "Regularly" if u % 3 else "Monthly",
            20 + u % 5,
            f"{u % 7:064x}",
        ]
        for u in range(17)
    ]
    bought = [[DAYS[n], f"{u:064x}", f"0{663713000 + i}", 0.05, 2] for n, u, i in LINES]
    return Export(
        {
            "articles.csv": table(header, articles),
            "customers.csv": table(["customer_id", "FN", "Active", "club_member_status", "fashion_news_frequency",
            "age", "postal_code"], customers),
            "transactions_train.csv": table(["t_dat", "customer_id", "article_id", "price", "sales_channel_id"],
            bought),
        },
        {"user": "customer_id", "item": "article_id", "time": "t_dat", "price": "price",
        "type": {"constant": "purchase"}},
        {"id": "article_id", "title": "prod_name", "category": "product_type_name", "text": ["detail_desc"],
         "attributes": ["colour_group_name", "index_name"]},
        {"id": "customer_id", "attributes": ["club_member_status", "fashion_news_frequency"]},
        nowhere=["postal_code", "colour_group_code"],
    )


def one_file() -> Export:
    """Invoices in one file, months first, as UCI's Online Retail has them."""
    rows = [[("C" if n % 30 == 9 else "") + str(536_365 + n // 3), f"{85_000 + i}A", name_of(i).upper(),
    -1 if n % 30 == 9 else 6,
             "12/1/2010 8:26", "2.55", 17_850 + u if n % 11 else "", "United Kingdom" if u % 5 else "France"] for n,
             u, i in LINES]
    rows += [
        [536_400 + n, f"{86_000 + n}", f"THING {n}", 1, "12/1/2010 8:26", "1.25", 17_850, "France"] for n in range(60)
    ]
    rows.append([536_500, "POST", "POSTAGE", 1, "12/1/2010 8:26", "18.00", 17_851, "France"])
    return Export(
        {"data.csv": table(["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice",
        "CustomerID", "Country"], rows)},
        {"user": "CustomerID", "item": "StockCode", "time": "InvoiceDate", "price": "UnitPrice",
        "quantity": "Quantity",
         "type": {"constant": "purchase"}, "day_first": False, "where": 'StockCode not in ["POST"]'},
        {"path": "data.csv", "id": "StockCode", "title": "Description", "price": "UnitPrice",
        "where": 'StockCode not in ["POST"]'},
        nowhere=["InvoiceNo", "Country"],
    )
