"""What shows models: loading, inspecting, their cards and costs."""
