"""Made-up exports in the columns of analytics: records in lists, visitors."""

import json

from made_up_exports import DAYS, LINES, THINGS, Export, lines, name_of, table

# fmt: off


def ga4() -> Export:
    names = ["view_item", "add_to_cart", "purchase", "remove_from_cart", "scroll", "refund"]
    records = [
        {
            "event_date": DAYS[n].replace("-", ""),
            "event_timestamp": str(1_700_000_000_000_000 + n * 60_000_000),
            "event_name": names[n % 6],
            "user_pseudo_id": f"{u}.17",
            "geo": {"country": "Germany", "city": "Berlin"},
            "device": {"category": "mobile"},
            "items": [{"item_id": f"G{i}", "item_name": name_of(i), "item_brand": "Acme",
            "item_category": THINGS[i % 8],
                       "price": 9.5, "quantity": 1}],
        }
        for n, u, i in LINES
    ]
    return Export(
        {"events_20240101.jsonl": lines(records)},
        {"unnest": "items", "visitor": "user_pseudo_id", "item": "items.item_id", "type": "event_name",
         "time": "event_timestamp"},
        {"unnest": "items", "id": "items.item_id", "title": "items.item_name", "brand": "items.item_brand",
         "category": "items.item_category", "price": "items.price"},
        types={"view_item": "view", "add_to_cart": "cart", "purchase": "purchase",
               "remove_from_cart": {"undoes": "cart"}, "refund": {"undoes": "purchase"}, "scroll": "ignore"},
    )


def snowplow() -> Export:
    rows = [["shop", f"{DAYS[n]} 10:00:05", f"{DAYS[n]} 10:00:01", f"{DAYS[n]} 10:00:02", ("product_view",
    "add_to_cart", "transaction")[n % 3], f"e{n}",
             f"u{u}" if u % 2 else "", "10.1.2.3", f"d{u}", 1, f"https://shop.example/{i}", f"SP{i}", name_of(i)]
             for n, u, i in LINES]
    return Export(
        {"atomic_events.tsv": table(["app_id", "etl_tstamp", "dvce_created_tstamp", "collector_tstamp",
        "event_name", "event_id", "user_id", "user_ipaddress",
                                     "domain_userid", "domain_sessionidx", "page_url", "product_id",
                                     "product_name"], rows, "\t")},
        {"user": "user_id", "visitor": "domain_userid", "item": "product_id", "type": "event_name",
        "time": "collector_tstamp"},
        {"path": "atomic_events.tsv", "id": "product_id", "title": "product_name"},
        types={"product_view": "view", "add_to_cart": "cart", "transaction": "purchase"},
        nowhere=["user_ipaddress", "event_id"],
    )


def matomo() -> Export:
    visits = [
        {"idVisit": n, "visitorId": f"{u:016x}", "userId": None, "visitIp": "10.0.0.0", "city": "Berlin",
         "actionDetails": [{"type": "ecommerceItem", "timestamp": 1_700_000_000 + 60 * n, "productSku": f"M{i}",
         "productName": name_of(i)},
                           {"type": "ecommerceItem", "timestamp": 1_700_000_030 + 60 * n,
                           "productSku": f"M{(i + 1) % 23}", "productName": name_of((i + 1) % 23)}]}
        for n, u, i in LINES
    ]
    return Export(
        {"visits.json": json.dumps(visits)},
        {"unnest": "actionDetails", "visitor": "visitorId", "item": "actionDetails.productSku",
        "time": "actionDetails.timestamp"},
        {"unnest": "actionDetails", "id": "actionDetails.productSku", "title": "actionDetails.productName"},
        nowhere=["visitIp", "city"],
    )
