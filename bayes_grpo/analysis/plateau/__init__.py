"""Where does training settle, before any of it?

In: KL weight, group size, start and what the verifier pays. Out: the plateau of the balance law, and a table over group
sizes and KL weights.
"""
