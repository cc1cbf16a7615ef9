"""What the rules of English leave apart: irregular plurals, and words that Britain and America spell differently."""

from typing import Final

IRREGULAR: Final = {
    "knives": "knife", "shelves": "shelf", "scarves": "scarf", "leaves": "leaf", "loaves": "loaf", "halves": "half",
    "calves": "calf", "wolves": "wolf", "men": "man", "women": "woman", "children": "child", "feet": "foot",
    "teeth": "tooth", "mice": "mouse", "geese": "goose",
}  # fmt: skip
"""Singulars of plurals."""
AMERICAN: Final = {
    "aeroplane": "airplane", "aluminium": "aluminum", "analogue": "analog", "apologise": "apologize",
    "armour": "armor", "artefact": "artifact", "axe": "ax", "calibre": "caliber", "catalogue": "catalog",
    "centre": "center", "colour": "color", "cosy": "cozy", "customise": "customize", "defence": "defense",
    "deodoriser": "deodorizer", "dialogue": "dialog", "doughnut": "donut", "equaliser": "equalizer",
    "favour": "favor", "favourite": "favorite", "fibre": "fiber", "flavour": "flavor", "grey": "gray",
    "harbour": "harbor", "honour": "honor", "humour": "humor", "ioniser": "ionizer",
    "jewellery": "jewelry", "jeweller": "jeweler", "labour": "labor", "licence": "license", "litre": "liter",
    "lustre": "luster", "manoeuvre": "maneuver", "metre": "meter", "mitre": "miter", "moisturise": "moisturize",
    "moisturiser": "moisturizer", "mould": "mold", "moustache": "mustache", "neighbour": "neighbor",
    "nebuliser": "nebulizer", "odour": "odor", "offence": "offense", "organise": "organize",
    "organiser": "organizer", "personalise": "personalize", "plough": "plow", "polariser": "polarizer",
    "pressurise": "pressurize", "programme": "program", "pulveriser": "pulverizer", "pyjama": "pajama",
    "pyjamas": "pajamas", "rumour": "rumor", "sabre": "saber", "sanitise": "sanitize", "sanitiser": "sanitizer",
    "saviour": "savior", "sceptic": "skeptic", "sceptre": "scepter", "stabilise": "stabilize",
    "stabiliser": "stabilizer", "sterilise": "sterilize", "steriliser": "sterilizer", "sulphate": "sulfate",
    "sulphur": "sulfur", "synthesiser": "synthesizer", "theatre": "theater", "travelled": "traveled",
    "traveller": "traveler", "travelling": "traveling", "tumour": "tumor", "tyre": "tire", "valour": "valor",
    "vaporiser": "vaporizer", "vapour": "vapor", "visualiser": "visualizer", "whisky": "whiskey",
    "woollen": "woolen", "yoghurt": "yogurt",
}  # fmt: skip
"""American spellings of British ones, as shops on both sides of the ocean write their goods."""
