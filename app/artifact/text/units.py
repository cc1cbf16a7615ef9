"""Units of measure: how one behind a number is written in the index, by how people write it, folded."""

from typing import Final

_SPELLINGS: Final = {
    "inch": "inch inches in zoll pouce pouces pulgada pulgadas pollici polegadas tum дюим дюима дюимов",
    "ft": "ft foot feet",
    "yd": "yd yard yards",
    "mm": "mm millimeter millimeters millimetre millimetres",
    "cm": "cm centimeter centimeters centimetre centimetres",
    "m": "m meter meters metre metres",
    "km": "km kilometer kilometers kilometre kilometres",
    "mg": "mg milligram milligrams",
    "g": "g gram grams gramm gramme grammes",
    "kg": "kg kilogram kilograms kilogramm kilogrammes",
    "oz": "oz ounce ounces",
    "lb": "lb lbs pound pounds",
    "ml": "ml milliliter milliliters millilitre millilitres",
    "cl": "cl",
    "dl": "dl",
    "l": "l liter liters litre litres",
    "w": "w watt watts",
    "kw": "kw kilowatt kilowatts",
    "wh": "wh",
    "kwh": "kwh",
    "v": "v volt volts",
    "ah": "ah",
    "mah": "mah",
    "hz": "hz",
    "khz": "khz",
    "mhz": "mhz",
    "ghz": "ghz",
    "kb": "kb",
    "mb": "mb megabyte megabytes",
    "gb": "gb gigabyte gigabytes",
    "tb": "tb terabyte terabytes",
    "mbps": "mbps mbit",
    "gbps": "gbps gbit",
    "mp": "mp megapixel megapixels",
    "dpi": "dpi",
    "rpm": "rpm",
    "fps": "fps",
    "lm": "lm lumen lumens",
    "pc": "pc pcs",
}
UNITS: Final = {spelling: unit for unit, spellings in _SPELLINGS.items() for spelling in spellings.split()}

EAST_ASIAN_UNITS: Final = {
    "英寸": "inch", "寸": "inch", "インチ": "inch", "英尺": "ft", "毫米": "mm", "ミリ": "mm", "厘米": "cm",
    "公分": "cm", "センチ": "cm", "米": "m", "メートル": "m", "公里": "km", "千米": "km", "毫克": "mg", "克": "g",
    "グラム": "g",
    "公斤": "kg", "千克": "kg", "キログラム": "kg", "キロ": "kg", "毫升": "ml", "升": "l", "リットル": "l", "瓦特": "w",
    "瓦": "w", "ワット": "w", "伏特": "v", "伏": "v", "ボルト": "v", "毫安时": "mah", "毫安": "mah", "盎司": "oz",
}  # fmt: skip
"""Simplified; a run of East Asian characters may go on behind them."""

NOT_UNITS: Final = ("米色", "米白", "米黄", "米饭", "米粉", "米其", "升级", "升降", "克拉")
"""Words that begin like a unit."""
