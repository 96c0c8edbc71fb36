namespace Shop
{
    public class Cart
    {
        private readonly ILogger log;
        private readonly IClock clock;
    }
}
