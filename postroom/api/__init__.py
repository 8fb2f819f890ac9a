"""The REST face: routes, validation, the error shape and the OpenAPI document (floor F4).

Called by `workers/api.py` only, through `app.build`. A route is one literal table entry
(`route.Route`): what it takes, what it answers, who may call it. Everything else - reading and
checking input, authentication, deadlines, errors, the OpenAPI document - is done from the table.
"""
