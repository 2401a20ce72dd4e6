"""The reviewer's desk: what the web app does on a person's behalf, each step checked here.

Roles are read from the ledger in the transaction of the action itself, so that who loses a role
loses it at once, whatever a browser still shows.
"""
