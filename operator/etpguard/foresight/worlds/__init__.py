"""The worlds that are possible where a scheduler or a controller decides: `alternatives` finds the extreme ones,
`changed_slices` makes them, and `trials` assesses them within `bounds`. Pure.
"""
