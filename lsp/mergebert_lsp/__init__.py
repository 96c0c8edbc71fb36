"""The language server: resolutions of merge conflicts where people edit."""
