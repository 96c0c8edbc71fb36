from shop import app


@app.get
@app.signed_in
@app.kept_for(60)
def home():
    return "home"
