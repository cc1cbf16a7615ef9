"""Made-up exports in the columns of shop systems."""

from made_up_exports import DAYS, LINES, ORDERS, THINGS, WORDS, Export, name_of, table

# fmt: off


def shopify() -> Export:
    product = ["Handle", "Title", "Body (HTML)", "Vendor", "Type", "Tags", "Published", "Option1 Name",
    "Option1 Value",
               "Variant SKU", "Variant Grams", "Variant Inventory Qty", "Variant Price", "Image Src", "SEO Title",
               "Cost per item", "Status"]
    rows: list[list[object]] = []
    for n in range(23):
        status = "draft" if n == 22 else "active"
        rows += [
            [f"thing-{n}", name_of(n), f"<p>So soft {n}</p>", "Acme", THINGS[n % 8], "new, soft", "true", "Size", "S",
             f"SKU{n}-S", 100, 4, "12.50", f"https://cdn.example.com/{n}.jpg", "seo", "7.00", status],
            [f"thing-{n}", "", "", "", "", "", "", "", "M", f"SKU{n}-M", 100, 2, "12.50", "", "", "7.00", ""],
        ]
    order = ["Name", "Email", "Financial Status", "Paid at", "Created at", "Lineitem quantity", "Lineitem name",
             "Lineitem price", "Lineitem sku", "Billing Name", "Billing Phone", "Shipping City", "Currency", "Phone"]
    orders = [
        [f"#{n}", f"buyer{u}@example.com", "paid", f"{DAYS[n]} 11:00:00 +0100", f"{DAYS[n]} 10:00:00 +0100", 1,
        name_of(i),
         "12.50", f"SKU{i}-{'SM'[n % 2]}", f"Ann {u}", "+49 30 1234567", "Berlin", "EUR", ""]
        for n, u, i in LINES
    ]
    return Export(
        {"products_export_1.csv": table(product, rows), "orders_export_1.csv": table(order, orders)},
        {"user": "Email", "item": "Lineitem sku", "time": "Created at", "price": "Lineitem price",
         "quantity": "Lineitem quantity", "type": {"constant": "purchase"}},
        {"id": "Variant SKU", "variant_of": "Handle", "title": "Title", "category": "Type", "brand": "Vendor",
         "price": "Variant Price", "text": ["Body (HTML)"], "attributes": ["Tags"], "display": ["Image Src"],
         "in_stock": "Variant Inventory Qty", "options": [["Option1 Name", "Option1 Value"]],
         "separators": {"Tags": ", "}, "currency": "EUR", "where": 'Status not in ["draft"]'},
        nowhere=["Billing Name", "Billing Phone", "Shipping City", "Cost per item", "SEO Title"],
    )


def woocommerce() -> Export:
    header = ["ID", "Type", "SKU", "Name", "Published", "Is featured?", "Short description", "Description",
    "Tax status",
              "In stock?", "Stock", "Regular price", "Categories", "Tags", "Images", "Parent", "Attribute 1 name",
              "Attribute 1 value(s)"]
    rows: list[list[object]] = []
    for n in range(23):
        rows += [
            [100 + 10 * n, "variable", f"W{n}", name_of(n), int(n != 5), 0, "short",
            f"A long text about {name_of(n)}", "taxable",
             1, "", "", f"Home, Home > {THINGS[n % 8].title()}", "new, oak", f"https://shop.example/{n}.jpg", "",
             "Colour",
             "red, blue"],
            [101 + 10 * n, "variation", f"W{n}-r", name_of(n) + " - red", int(n != 5), 0, "", "", "taxable", 1, 3,
            "19.9", "", "",
             "", f"W{n}", "Colour", "red"],
        ]
    orders = table(
        ["Order Number", "Order Status", "Order Date", "Customer User ID", "Customer Note", "First Name (Billing)",
         "Last Name (Billing)", "Email (Billing)", "Phone (Billing)", "City (Billing)", "Item Name", "SKU",
         "Quantity",
         "Item Cost"],
        [[f"{n // 3}", "failed" if n % 40 == 0 else "completed", f"{DAYS[n]} 10:0{n % 6}", u, "", "Ann", "Smith",
        f"a{u}@example.org",
          "030 1234", "Bonn", name_of(i), f"W{i}-r", 1, "19.9"] for n, u, i in LINES],
    )
    return Export(
        {"wc-product-export.csv": table(header, rows), "orders.csv": orders},
        {"user": "Customer User ID", "item": "SKU", "time": "Order Date", "quantity": "Quantity",
        "price": "Item Cost",
         "type": {"constant": "purchase"}, "where": '`Order Status` not in ["failed"]'},
        {"id": "SKU", "variant_of": "Parent", "title": "Name", "category": "Categories", "price": "Regular price",
         "text": ["Description", "Short description"], "display": ["Images"], "in_stock": "In stock?",
         "options": [["Attribute 1 name", "Attribute 1 value(s)"]], "where": 'Published not in ["0"]'},
        nowhere=["First Name (Billing)", "Email (Billing)", "Phone (Billing)", "City (Billing)"],
    )


def magento() -> Export:
    products = table(
        ["sku", "store_view_code", "attribute_set_code", "product_type", "categories", "name", "description",
         "short_description", "product_online", "price", "url_key", "base_image", "created_at", "qty",
         "is_in_stock", "color"],
        [[f"24-{n:03d}", "", "Default", "simple", "Default Category/Gear,Default Category/Gear/Bags", name_of(n),
        f"<p>{name_of(n)}</p>",
          "short", 1, "34.0", f"bag-{n}", f"/m/b/mb{n}.jpg", "3/14/23, 7:25 AM", 10, 1, WORDS[n % 8]]
          for n in range(23)],
    )
    items = table(
        ["item_id", "order_id", "parent_item_id", "store_id", "created_at", "updated_at", "product_id", "sku", "name",
         "qty_ordered", "price"],
        [[1000 + n, n // 3, "", 1, f"{DAYS[n]} 10:00:00", f"{DAYS[n + 9]} 10:00:00", i, f"24-{i:03d}", name_of(i),
        "1.0000", "34.0"]
         for n, _, i in LINES],
    )
    orders = table(
        ["entity_id", "state", "status", "store_id", "customer_id", "customer_email", "customer_firstname",
         "customer_lastname", "remote_ip", "customer_dob", "created_at", "grand_total"],
        [[o, "complete", "canceled" if o % 15 == 7 else "complete", 1, 500 + u, f"c{u}@example.com", "Jo", "Day",
        "10.0.0.1", "1980-01-02",
          f"{DAYS[o]} 09:00:00", "99.0"] for o, u in ORDERS],
    )
    return Export(
        {"catalog_product.csv": products, "sales_order_item.csv": items, "sales_order.csv": orders},
        {"path": ["sales_order_item.csv", {"path": "sales_order.csv", "on": {"order_id": "entity_id"}}],
         "user": "customer_id", "item": "sku", "time": "created_at", "type": {"constant": "purchase"},
         "where": 'status not in ["canceled"]'},
        {"id": "sku", "title": "name", "category": "categories", "price": "price", "in_stock": "is_in_stock",
         "display": ["base_image", "url_key"], "attributes": ["color"], "text": ["description", "short_description"]},
        nowhere=["customer_email", "remote_ip", "customer_dob", "customer_lastname"],
    )


def sql_dump() -> Export:
    """Plain tables of a shop's data base."""
    return Export(
        {
            "order_items.csv": table(["id", "order_id", "product_id", "quantity", "unit_price"], [[n, n // 3, i, 1,
            "9.90"] for n, _, i in LINES]),
            "orders.csv": table(["id", "customer_id", "status", "shipping_address", "updated_at", "created_at"],
                                [[o, u, "cancelled" if o % 20 == 4 else "paid", "1 Main St",
                                f"{DAYS[o + 5]} 08:00:00", f"{DAYS[o]} 08:00:00"] for o, u in ORDERS]),
            "products.csv": table(["id", "name", "description", "category_id", "brand_id", "price", "stock",
            "created_at"],
                                  [[n, name_of(n), f"All about {name_of(n)}", n % 4, n % 3, "9.90", 5,
                                  f"{DAYS[n]} 00:00:00"] for n in range(23)]),
            "categories.csv": table(["id", "name", "parent_id"], [[n, f"{THINGS[n]}s", ""] for n in range(4)]),
            "brands.csv": table(["id", "name"], [[n, f"{WORDS[n]} works"] for n in range(3)]),
            "customers.csv": table(["id", "first_name", "last_name", "email", "password_hash", "phone",
            "loyalty_level", "created_at"],
                                   [[u, "Ann", "Smith", f"a{u}@example.com", "x" * 20, "030 123", ("gold",
                                   "new")[u % 2], f"{DAYS[u]} 00:00:00"] for u in range(17)]),
        },
        {"path": ["order_items.csv", {"path": "orders.csv", "on": {"order_id": "id"}}], "user": "customer_id",
        "item": "product_id",
         "time": "created_at", "quantity": "quantity", "price": "unit_price", "type": {"constant": "purchase"},
         "where": 'status not in ["cancelled"]'},
        {"path": ["products.csv", {"path": "brands.csv", "on": {"brand_id": "id"}}, {"path": "categories.csv",
        "on": {"category_id": "id"}}],
         "id": "id", "title": "name", "text": ["description"], "category": "categories.name", "brand": "brands.name",
         "price": "price", "in_stock": "stock", "added": "created_at"},
        {"path": "customers.csv", "id": "id", "attributes": ["loyalty_level"]},
        nowhere=["first_name", "email", "password_hash", "phone", "shipping_address"],
    )


def german() -> Export:
    return Export(
        {
            "bestellungen.csv": table(
                ["Bestellnummer", "Bestelldatum", "Kundennummer", "Nachname", "PLZ", "Artikelnummer", "Menge",
                "Einzelpreis"],
                [[f"B{n // 3}", f"{1 + n % 28:02d}.{1 + n // 28:02d}.2024", f"K{u:04d}", "Schmidt", "10115",
                f"A-{i:04d}", 1, "12,90"] for n, u, i in LINES], ";"),
            "artikel.csv": table(
                ["Artikelnummer", "Bezeichnung", "Warengruppe", "Hersteller", "Preis", "Lagerbestand",
                "Beschreibung", "EK-Preis", "Farbe", "Bild-URL"],
                [[f"A-{n:04d}", name_of(n), THINGS[n % 8], WORDS[n % 3], "12,90 €", n % 4,
                f"Ein {name_of(n)} aus gutem Hause", "7,00", WORDS[n % 8], f"https://x.example/{n}.jpg"]
                 for n in range(23)], ";"),
        },
        {"user": "Kundennummer", "item": "Artikelnummer", "time": "Bestelldatum", "quantity": "Menge",
        "price": "Einzelpreis",
         "type": {"constant": "purchase"}},
        {"id": "Artikelnummer", "title": "Bezeichnung", "category": "Warengruppe", "brand": "Hersteller",
        "price": "Preis",
         "in_stock": "Lagerbestand", "text": ["Beschreibung"], "attributes": ["Farbe"], "display": ["Bild-URL"]},
        nowhere=["Nachname", "PLZ", "EK-Preis", "Bestellnummer"],
    )


def prestashop() -> Export:
    return Export(
        {
            "ps_order_detail.csv": table(["id_order_detail", "id_order", "product_id", "product_name",
            "product_quantity", "product_price"],
                                         [[n, n // 3, i, name_of(i), 1, "9.900000"] for n, _, i in LINES]),
            "ps_orders.csv": table(["id_order", "reference", "id_customer", "id_cart", "current_state", "date_add",
            "date_upd"],
                                   [[o, f"REF{o}", u, o, 5, f"{DAYS[o]} 08:00:00", f"{DAYS[o + 4]} 08:00:00"] for o,
                                   u in ORDERS]),
            "ps_product.csv": table(["id_product", "id_manufacturer", "id_category_default", "price", "quantity",
            "date_add", "date_upd"],
                                    [[n, n % 3, n % 4, "9.900000", 5, f"{DAYS[n]} 00:00:00",
                                    f"{DAYS[n + 4]} 00:00:00"] for n in range(23)]),
            "ps_product_lang.csv": table(["id_product", "name", "description", "link_rewrite"],
                                         [[n, name_of(n), f"<p>{name_of(n)}</p>", f"thing-{n}"] for n in range(23)]),
            "ps_manufacturer.csv": table(["id_manufacturer", "name"], [[n, f"{WORDS[n]} works"] for n in range(3)]),
            "ps_customer.csv": table(["id_customer", "email", "passwd", "firstname", "birthday", "newsletter"],
                                     [[u, f"a{u}@example.com", "x", "Ann", "1980-01-01", u % 2] for u in range(17)]),
        },
        {"path": ["ps_order_detail.csv", {"path": "ps_orders.csv", "on": "id_order"}], "user": "id_customer",
        "item": "product_id",
         "time": "date_add", "quantity": "product_quantity", "type": {"constant": "purchase"}},
        {"id": "id_product", "title": "name", "text": ["description"], "price": "price", "in_stock": "quantity"},
        {"id": "id_customer", "attributes": ["newsletter"]},
        nowhere=["passwd", "email", "birthday", "firstname"],
    )


def bigcommerce() -> Export:
    header = ["Item Type", "Product ID", "Product Name", "Product Type", "Product Code/SKU", "Brand Name",
    "Product Description",
              "Price", "Cost Price", "Product Visible?", "Current Stock Level", "Category", "Product Image File - 1"]
    products = [["Product", 77 + n, name_of(n), "P", f"BC{n}", WORDS[n % 3], f"<p>{name_of(n)}</p>", "25.00",
    "11.00", "N" if n == 3 else "Y", 4,
                 f"Shop All;{THINGS[n % 8]}", f"https://cdn.example/{n}.jpg"] for n in range(23)]
    orders = [
        [
            100 + n // 3,
            40 + u,
            "Ann Smith",
            f"a{u}@example.com",
            "030 12",
            DAYS[n],
            "Completed",
            77 + i,
            name_of(i),
            f"BC{i}",
            1,
            "25.00",
        ]
        for n, u, i in LINES
    ]
    return Export(
        {
            "products-2024.csv": table(header, products),
            "orders-2024.csv": table(["Order ID", "Customer ID", "Customer Name", "Customer Email",
            "Customer Phone", "Order Date", "Order Status",
                                      "Product ID", "Product Name", "Product SKU", "Product Qty",
                                      "Product Unit Price"], orders),
        },
        {"user": "Customer ID", "item": "Product ID", "time": "Order Date", "quantity": "Product Qty",
        "type": {"constant": "purchase"}},
        {"id": "Product ID", "title": "Product Name", "category": "Category", "brand": "Brand Name", "price": "Price",
         "in_stock": "Current Stock Level", "separators": {"Category": ";"},
         "where": '`Product Visible?` not in ["N"]'},
        nowhere=["Customer Name", "Customer Email", "Customer Phone", "Cost Price"],
    )
