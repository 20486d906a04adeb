"""Everything about a run, or several, on one HTML page that needs no network: `bayes_grpo.report_html`."""
