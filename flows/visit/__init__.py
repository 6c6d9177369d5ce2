"""The visit sheet: what one member reported in twelve months, on one page for their clinician.

`records` finds the member and reads, `symptoms`, `scores`, `treatments` and `life` say what that means, `questions` asks,
`sheet` puts it together. `flows/pages/visit.py` draws it.
"""
