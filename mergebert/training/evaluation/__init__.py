"""What a bundle is worth: outcomes over mined conflicts, figures, report and plots."""
