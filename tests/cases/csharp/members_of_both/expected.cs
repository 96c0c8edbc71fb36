namespace Shop
{
    public class Cart
    {
        private readonly ILogger log;
        private int count;
        private readonly IClock clock;
    }
}
