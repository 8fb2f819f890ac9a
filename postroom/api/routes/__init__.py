"""Every operation of the REST interface, one file per resource, in one literal table."""

from postroom.api.route import Route
from postroom.api.routes import account, logs, message, outbox, settings, submit, token

ROUTES: tuple[Route, ...] = (
    *account.ROUTES,
    *message.ROUTES,
    *submit.ROUTES,
    *outbox.ROUTES,
    *settings.ROUTES,
    *token.ROUTES,
    *logs.ROUTES,
)
