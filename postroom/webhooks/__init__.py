"""Webhooks: every event of the log is posted to whoever asked for it (floor F3; `workers` runs it).

`dispatch` moves log ids to lanes, `lanes` takes leased lanes, `deliver` posts what is on them in
order, `retention` trims the log behind them. Pure parts: `targets` (who gets what), `payload` (the
body), `sign` (the headers). The lanes themselves are `store.lanes`; `worker` puts it together.
"""
