using System.Diagnostics.Metrics;

namespace KestrelEventLoopTransport.Diagnostics;

/// <summary>The instruments that need the time of turns. While none of them has a listener, no clock is read.</summary>
internal sealed class TurnInstruments(Instrument busyTime, Instrument longestTurn)
{
    internal bool AreObserved => busyTime.Enabled || longestTurn.Enabled;
}
