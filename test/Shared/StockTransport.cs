namespace KestrelEventLoopTransport.Testing;

/// <summary>
/// The control: KESTREL_TEST_TRANSPORT=sockets runs a suite on Kestrel's own transport. A test that fails there and is
/// not marked <see cref="FailsOnStockAttribute"/> asks for something else than "as stock".
/// </summary>
internal static class StockTransport
{
    public static bool IsUnderTest { get; } = Environment.GetEnvironmentVariable("KESTREL_TEST_TRANSPORT") == "sockets";
}
