"""Nothing is set up here: the plugin `whyrefused.plugin` is an entry point of the installed package."""
