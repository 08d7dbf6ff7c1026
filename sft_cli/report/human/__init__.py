"""What people say of answers: a blind page, their ratings, and how far they agree."""
