"""Language models: loading, prompts, scoring, gradients. Nothing heavy is imported here."""
