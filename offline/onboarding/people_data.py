"""Columns that hold data of persons, told by their names in several languages or by their values."""

import re
from collections.abc import Iterable

from offline.onboarding.column_names import last_part, plain, words_of
from offline.onboarding.column_profile import ColumnProfile

_SHARE = 0.5
"""The share of a column's values that have to look like it."""

_ANYWHERE: dict[str, str] = {
    "passwords": (
        r"passw|(^|_)pwd($|_)|kennwort|mot_de_passe|contrasena|(^|_)salt($|_)|secret|(auth|access|reset|login)_token"
    ),
    "mail addresses": r"(^|_)e_?mail|courriel|correo|(^|_)mail($|_ad)",
    "birthdays": (
        r"birth_?(day|date|year|month)|date_of_birth|(^|_)(dob|birth)($|_)|geburts(tag|datum|jahr)|naissance|"
        r"nacimiento|nascita|geboortedatum"
    ),
    "names": (
        r"(^|_)(first|last|given|middle|maiden)_?name|(^|_)[fl]name($|_)|sur_?name|vorname|nachname|"
        r"(^|_)prenom|apellido|cognome|voornaam|achternaam|sobrenome|nick_?name|(^|_)username|"
        r"(customer|client|buyer|user|member|reviewer|recipient|contact|billing|shipping|cardholder|account|kunden|"
        r"shopper|guest|owner|bill_to|ship_to|payer|empfaenger|cliente|author_of_review)_(screen_)?name|kundenname|"
        r"nom_(du_)?client|nombre_(del_)?cliente|nome_(do_)?cliente|salutation|anrede"
    ),
    "identities": (
        r"(^|_)(ssn|iban|passport|tax_?id|vat_(id|number)|national_id|credit_card|card_(number|last)|ustid|cpf|cnpj|"
        r"steuernummer|licence_plate)($|_)"
    ),
    "addresses": (
        r"^(street|strasse|address|addr|adresse|anschrift|direccion|indirizzo|endereco|adres|postcode|plz|hausnummer)"
        r"_?([0-9]|name|line|number)?$"
        r"|(^|_)(zip_?code|postal(_?code)?|post_?code|postleitzahl|code_postal|codigo_postal|house_number)|"
        r"(billing|shipping|delivery|customer|home|bill_to|ship_to|liefer|rechnungs|kunden|user|geolocation)_?"
        r"(street|address|addr|zip|city|town|state|province|region|country|company|postcode|plz|ort|stadt|strasse|"
        r"adresse|lat|lng|latitude|longitude)|_address(_?line)?_?[0-9]?$|liefer(ort|anschrift)"
    ),
    "addresses of the internet": r"(^|_)(user_?)?ip_?addr|remote_?addr|user_?agent|(^|_)mac_address",
}
"""Kind -> what the names of such columns look like in plain letters, in any table."""

_OF_PEOPLE: dict[str, str] = {
    "phone numbers": (
        r"(^|_)(tele)?phone|(^|_)(mobile?|cell|fax|handy|tel|whatsapp|telefon\w*|telefono|telefax|movil)($|_)"
    ),
    "addresses": (
        r"(^|_)(zip|city|town|state|province|region|county|ort|stadt|ville|ciudad|citta|cidade|location|lat|lng|latitude|"
        r"longitude|street|land_?kreis|bundesland|district|suburb|geo_\w+)($|_)"
    ),
    "addresses of the internet": r"(^|_)ip(v[46])?$",
    "names": (
        r"(^|_)(full|family)_?name|"
        r"^(name|login|displayname|display_name|realname|company|firma|nom|nombre|nome|naam|contact)$"
    ),
}
"""The same in tables of people and of orders alone: a product may have a phone or come from a region, too."""


def people_data(profiles: Iterable[ColumnProfile], *, of_people: bool) -> dict[str, str]:
    """The columns that look like data of persons, and the kind of data that each seems to hold.

    `of_people`: the table is one of people or orders.
    """
    kinds: dict[str, str] = {}
    for column in profiles:
        if kind := _by_value(column) or _by_name(column, of_people=of_people):
            kinds[column.column] = kind
    return kinds


def _by_value(column: ColumnProfile) -> str | None:
    shares = {
        "mail addresses": column.mails,
        "phone numbers": column.phones if column.times < _SHARE else 0.0,
        "addresses of the internet": column.hosts,
    }
    return next((kind for kind, share in shares.items() if share > _SHARE), None)


def _by_name(column: ColumnProfile, *, of_people: bool) -> str | None:
    bare = plain(last_part(column.column))
    for kinds in (_ANYWHERE, _OF_PEOPLE) if of_people else (_ANYWHERE,):
        for kind, form in kinds.items():
            if re.search(form, bare):
                return kind
    if not of_people and column.phones > 0 and words_of(column.column) & {"phone", "telephone", "telefon", "fax"}:
        return "phone numbers"
    return None
