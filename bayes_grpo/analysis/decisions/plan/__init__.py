"""What will a run bring, before it is made?

In: base success rate, settings, budget, and earlier runs if there are any. Out: plateau, time, signal, noise, risk and
power, for one setting or for several values of one.
"""
