"""A small catalogue of three kinds, as a split has it."""

import polars as pl

KINDS = {
    "Shoe": ["trail runner", "walking boot", "road racer", "sandal"],
    "Lamp": ["desk light", "floor light", "ceiling lamp", "bed lamp"],
    "Sofa": ["corner couch", "two seater", "sofa bed", "chaise"],
}
BRANDS = ("Acme", "Borg")
COLOURS = ("red", "blue", "moss green")


def small_catalogue(count: int) -> pl.DataFrame:
    """So many items, by turns of each kind."""
    kinds = [list(KINDS)[number % 3] for number in range(count)]
    brands = [BRANDS[number % 2] for number in range(count)]
    return pl.DataFrame(
        {
            "item_id": [f"i{number}" for number in range(count)],
            "title": [
                f"{brand} {KINDS[kind][number // 3 % 4]} model {number}"
                for number, (brand, kind) in enumerate(zip(brands, kinds, strict=True))
            ],
            "category": kinds,
            "brand": brands,
            "text": [f"{kind}\nwarm and soft, number {number}" for number, kind in enumerate(kinds)],
            "attributes": [[f"colour={COLOURS[number % 3]}", "sold=true"] for number in range(count)],
        }
    )
