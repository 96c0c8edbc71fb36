"""Writes the monthly report of the shop."""

import json


def rows(orders):
    return [(order["day"], order["total"]) for order in orders]


def write_report(orders, path):
    with open(path, "w") as stream:
        json.dump({"rows": rows(orders)}, stream)


def main(orders):
    write_report(orders, "report.json")
    print("wrote report.json")
