"""The ranker: its tables of features, its trees and their calibration."""
