"""Submit: takes messages in, queues them, delivers them (floor F3).

Called by the faces (`accept`) and by the submit worker (`worker`). The way of a message:
`accept` checks and composes it and puts it in the outbox; `worker` leases it, `deliver` makes one
attempt, `verdict` says what a failure means, `afterwards` does what follows a success.
"""
