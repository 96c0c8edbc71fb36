from shop import app


@app.get
@app.kept_for(60)
def home():
    return "home"
