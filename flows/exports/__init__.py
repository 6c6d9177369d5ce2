"""API clients: what brings the export of an API into landing, response by response.

`pulling.py` has the order: fetch, land, remember. It knows no protocol: one that it pulls by is an `Export` (`export.py`), of
which `rest.py` is one. Only these modules speak HTTP.
"""
