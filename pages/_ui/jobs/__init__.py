"""Parts of the page Jobs and of the job box in the sidebar."""
