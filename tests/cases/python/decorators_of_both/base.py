from shop import app


@app.get
def home():
    return "home"
