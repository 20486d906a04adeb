"""Which failure is it?

In: all logged channels of a run. Out: probabilities of reward hacking, advantage degeneracy, policy concentration, dynamical instability, and of none.
"""
