namespace KestrelEventLoopTransport.Tests.Balancing;

/// <summary>Both accept modes, alone and with every scheduling.</summary>
public static class ModeData
{
    public static TheoryData<AcceptMode> All => [.. Values];

    public static MatrixTheoryData<ApplicationScheduling, AcceptMode> WithSchedulings
        => new(EveryScheduling.Values, Values);

    /// <summary>The stock transport has no modes.</summary>
    private static AcceptMode[] Values
        => StockTransport.IsUnderTest ? [AcceptMode.SharedListener] : Enum.GetValues<AcceptMode>();
}
