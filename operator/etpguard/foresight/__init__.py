"""What a change would do before it is made: the change is applied to a copy of the picture, and the same engine
assesses it. There is no second logic for outcomes here. Pure.
"""
