"""What are the parameters, and may the fit be believed?

In: a fit. Out: its summary, its figures, and checks of its sensitivity to prior and likelihood.
"""
