"""What MkDocs does to pages while it builds the site; `mkdocs.yml` names the hooks."""
