"""The benchmark dashboard: asv's pages made to work with no network, and an overview of ours."""
