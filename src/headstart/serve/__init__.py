"""A model that answers over HTTP, with a page to try it on (`headstart serve`, extra `serve`).

`desk` answers one batch after the other, `app` speaks HTTP, `openapi` says how to ask, `static/` is the page.
"""
