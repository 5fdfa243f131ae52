"""Campaigns: nights of runs on several rigs, planned, carried out, summed up and told of."""
