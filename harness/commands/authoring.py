"""assignment new, check, list, schema: what they do."""


def show_list() -> None:
    """List the assignments that come with the harness, and whether their data is on this machine."""
    from harness.authoring.listing import listed
    from harness.commands.authoring_display import show_listed

    show_listed(listed())
