namespace KestrelEventLoopTransport.Tests.Balancing;

/// <summary>Both accept modes, alone and with every scheduling.</summary>
public static class ModeData
{
    public static TheoryData<AcceptMode> All => [.. Enum.GetValues<AcceptMode>()];

    public static MatrixTheoryData<ApplicationScheduling, AcceptMode> WithSchedulings
        => new(Enum.GetValues<ApplicationScheduling>(), Enum.GetValues<AcceptMode>());
}
