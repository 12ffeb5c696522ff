"""Changes that MkDocs makes to pages while it builds the site; `mkdocs.yml` names the hooks."""
