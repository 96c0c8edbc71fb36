"""What an editor shows: diagnostics, lenses, hovers, hints, actions."""
