using System.Globalization;
using Microsoft.AspNetCore.Http;

namespace KestrelEventLoopTransport.Status;

/// <summary>What a client asks for.</summary>
/// <param name="Order">By what the connections are chosen.</param>
/// <param name="Top">How many are shown.</param>
/// <param name="Search">What their id, addresses or state must contain.</param>
/// <param name="After">The last sample of the history that the client has.</param>
internal readonly record struct ConnectionQuery(ConnectionOrder Order, int Top, string Search, long After)
{
    internal const int MaxTop = 200;
    internal const int MaxSearch = 100;

    internal const string Usage =
        "sort: age, idle, buffered, rtt or retransmits; top: 0 to 200; q: up to 100 characters; after: a number.";

    /// <summary>False when a parameter is not as <see cref="Usage"/> says.</summary>
    internal static bool TryParse(IQueryCollection parameters, out ConnectionQuery query)
    {
        var sort = parameters["sort"].ToString();
        var search = parameters["q"].ToString().Trim();
        var isValid = TryParse(sort, out var order)
            & TryParse(parameters["top"].ToString(), MaxTop, 50, out var top)
            & TryParse(parameters["after"].ToString(), long.MaxValue, 0, out var after)
            & search.Length <= MaxSearch;
        query = new ConnectionQuery(order, (int)top, search, after);
        return isValid;
    }

    private static bool TryParse(string sort, out ConnectionOrder order)
    {
        ConnectionOrder? found = sort switch
        {
            "" or "age" => ConnectionOrder.Age,
            "idle" => ConnectionOrder.Idle,
            "buffered" => ConnectionOrder.Buffered,
            "rtt" => ConnectionOrder.Rtt,
            "retransmits" => ConnectionOrder.Retransmits,
            _ => null,
        };
        order = found ?? default;
        return found is not null;
    }

    private static bool TryParse(string text, long max, long defaultValue, out long value)
    {
        value = defaultValue;
        return text.Length == 0
            || (long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value) && value <= max);
    }
}
