from shop import app


@app.get
@app.signed_in
def home():
    return "home"
