"""Made-up exports in the columns of public data sets of ratings and plays."""

from made_up_exports import LINES, THINGS, WORDS, Export, lines, name_of, table

# fmt: off


def movielens() -> Export:
    ratings = [[1 + u, 1 + i, (n % 10 + 1) / 2, 1_100_000_000 + n] for n, u, i in LINES]
    movies = [[1 + n, f"{name_of(n)} (199{n % 10})", f"Drama|{WORDS[n % 8].title()}"] for n in range(23)]
    tags = [[1 + u, 1 + i, WORDS[n % 8], 1_100_000_000 + n] for n, u, i in LINES[:40]]
    return Export(
        {
            "ratings.csv": table(["userId", "movieId", "rating", "timestamp"], ratings),
            "movies.csv": table(["movieId", "title", "genres"], movies),
            "tags.csv": table(["userId", "movieId", "tag", "timestamp"], tags),
        },
        {"path": "ratings.csv", "user": "userId", "item": "movieId", "rating": "rating", "time": "timestamp"},
        {"path": "movies.csv", "id": "movieId", "title": "title", "category": "genres",
        "separators": {"genres": "|"}},
    )


def movielens_without_headers() -> Export:
    ratings = "".join(f"{1 + u}::{1 + i}::{1 + n % 5}::{978_300_000 + n}\n" for n, u, i in LINES)
    movies = "".join(f"{1 + n}::{name_of(n)} (1995)::Animation|{WORDS[n % 8].title()}\n" for n in range(23))
    users = "".join(f"{1 + n}::{'FM'[n % 2]}::{18 + n % 3}::{n % 5}::4806{n % 10}\n" for n in range(17))
    return Export(
        {"ratings.dat": ratings, "movies.dat": movies, "users.dat": users},
        {"path": "ratings.dat", "user": "column_1", "item": "column_2", "rating": "column_3", "time": "column_4"},
        {"path": "movies.dat", "id": "column_1", "title": "column_2", "category": "column_3",
         "separators": {"column_3": "|"}},
        {"path": "users.dat", "id": "column_1", "attributes": ["column_2", "column_3", "column_4"]},
        nowhere=["column_5"],
    )


def movielens_100k() -> Export:
    ratings = "".join(f"{1 + u}\t{1 + i}\t{1 + n % 5}\t{875_000_000 + n}\n" for n, u, i in LINES)
    movies = "".join(
        f"{1 + n}|{name_of(n)} (1995)|{1 + n % 28:02d}-Jan-1995||http://movies.example/{n}|"
        f"{'|'.join(str((n + genre) % 7 // 6) for genre in range(19))}\n"
        for n in range(23)
    )
    users = "".join(f"{1 + n}|{18 + n % 3}|{'FM'[n % 2]}|writer|4806{n % 10}\n" for n in range(17))
    return Export(
        {"u.data": ratings, "u.item": movies, "u.user": users, "u.genre": "unknown|0\nDrama|1\n"},
        {"path": "u.data", "user": "column_1", "item": "column_2", "rating": "column_3", "time": "column_4"},
        {"path": "u.item", "id": "column_1", "title": "column_2", "added": "column_3", "display": ["column_5"]},
        {"path": "u.user", "id": "column_1"},
    )


def games() -> Export:
    rows = [[151_603_000 + u, name_of(i), ("purchase", "play")[n % 2], (1.0, 27.3 + n)[n % 2], 0] for n, u,
    i in LINES]
    return Export(
        {"steam-200k.csv": table(None, rows)},
        {"user": "column_1", "item": "column_2", "type": "column_3"},
        {"path": "steam-200k.csv", "id": "column_2", "title": "column_2"},
        types={"purchase": "purchase", "play": "view"},
        nowhere=["column_4", "column_5"],
    )


def music() -> Export:
    artists = [
        [n, f"The {WORDS[n % 8]} band {n}", f"http://www.last.fm/music/{n}", f"http://img.example/{n}.jpg"]
        for n in range(23)
    ]
    return Export(
        {
            "user_artists.dat": table(["userID", "artistID", "weight"], [[u, i, 100 * n] for n, u, i in LINES], "\t"),
            "artists.dat": table(["id", "name", "url", "pictureURL"], artists, "\t"),
            "user_taggedartists-timestamps.dat": table(
                ["userID", "artistID", "tagID", "timestamp"],
                [[u, i, n % 5, 1_238_536_800_000 + n] for n, u, i in LINES],
                "\t",
            ),
            "user_friends.dat": table(["userID", "friendID"], [[u, (u + 1) % 17] for u in range(17)], "\t"),
            "tags.dat": table(["tagID", "tagValue"], [[n, WORDS[n]] for n in range(5)], "\t"),
        },
        {"path": "user_artists.dat", "user": "userID", "item": "artistID"},
        {"path": "artists.dat", "id": "id", "title": "name", "display": ["pictureURL", "url"]},
        nowhere=["weight"],
    )


def books() -> Export:
    ratings = [[276_000 + u, f"03855012{i:02d}", (0, 0, 7, 3)[n % 4]] for n, u, i in LINES]
    header = [
        "ISBN",
        "Book-Title",
        "Book-Author",
        "Year-Of-Publication",
        "Publisher",
        "Image-URL-S",
        "Image-URL-M",
        "Image-URL-L",
    ]
    catalogue = [[f"03855012{n:02d}", name_of(n), f"Author {n % 6}", 1990 + n % 5, f"Press {n % 4}",
    *[f"http://images.example/{n}.{size}.jpg" for size in "SML"]]
                 for n in range(23)]
    people = [[276_000 + u, "berlin, berlin, germany", 20 + u % 5] for u in range(17)]
    return Export(
        {
            "Ratings.csv": table(["User-ID", "ISBN", "Book-Rating"], ratings, ";"),
            "Books.csv": table(header, catalogue, ";"),
            "Users.csv": table(["User-ID", "Location", "Age"], people, ";"),
        },
        {"user": "User-ID", "item": "ISBN", "rating": "Book-Rating", "rating_implicit": [0]},
        {"id": "ISBN", "title": "Book-Title", "brand": "Book-Author", "attributes": ["Year-Of-Publication",
        "Publisher"],
         "display": ["Image-URL-L", "Image-URL-M", "Image-URL-S"]},
        {"id": "User-ID", "attributes": ["Age"]},
        nowhere=["Location"],
    )


def reviews() -> Export:
    records = [
        {"reviewerID": f"A{u:012d}", "asin": f"B0000{i:05d}", "reviewerName": "J. Smith", "helpful": [0, 1],
        "reviewText": "Nice and round, I like it.",
         "overall": float(1 + n % 5), "summary": "Good", "unixReviewTime": 1_300_000_000 + n,
         "reviewTime": "02 28, 2014"}
        for n, u, i in LINES
    ]
    meta = [
        {"asin": f"B0000{n:05d}", "title": name_of(n), "price": 9.5 + n, "imUrl": f"http://ecx.example/{n}.jpg",
        "brand": WORDS[n % 8],
         "categories": [["Home", THINGS[n % 8]]], "description": f"This is the {name_of(n)}.",
         "salesRank": {"Home": n},
         "related": {"also_bought": ["B0000000001"]}}
        for n in range(23)
    ]
    return Export(
        {"reviews_Home_5.json": lines(records), "meta_Home.json": lines(meta)},
        {"user": "reviewerID", "item": "asin", "rating": "overall", "time": "unixReviewTime"},
        {"id": "asin", "title": "title", "brand": "brand", "price": "price", "category": "categories",
        "text": ["description"],
         "display": ["imUrl"]},
        nowhere=["reviewerName", "related", "reviewText"],
    )
