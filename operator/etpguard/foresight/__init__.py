"""What a change would do before it is made: the change is applied to a copy of the picture, and the same engine
assesses it. There is no second logic for outcomes here. Pure.

Read `changes` (what may be asked) and `what_if` (the entry) first. `effects` does the changes, `worlds` has what
is not certain after them, and `forecasts` the outcome. `placement`, `pod_ending` and `detection` answer one
question each: where a new pod may run, whether an end is seamless, and how soon a load balancer sees it.
`no_endpoint` and `patches` are for `explain`.
"""
