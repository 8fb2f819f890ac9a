"""The shapes of requests and answers, as the contract's api.json declares them.

A body obeys the rules in its types (`api.rules`). Answers that come from the account's owner are
values of `postroom.model` and are not repeated here. Prose for the document is in `api.prose`.
"""
