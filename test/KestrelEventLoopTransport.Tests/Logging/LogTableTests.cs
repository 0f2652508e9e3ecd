using System.Reflection;
using KestrelEventLoopTransport.Tests.Layers;
using Microsoft.Extensions.Logging;

namespace KestrelEventLoopTransport.Tests.Logging;

/// <summary>What operators read of the log.</summary>
[FailsOnStock("The log messages of ours.")]
public sealed class LogTableTests
{
    // The classes that do not have the name of their category.
    private static readonly Dictionary<string, string> _categories = new()
    {
        ["LoopLog"] = "Loops",
        ["ConnectionLog"] = "Connections",
        ["DatagramLog"] = "Datagrams",
        ["ListenerLog"] = "Listening",
        ["BalancingLog"] = "Listening",
        ["OptionsLog"] = "Listening",
        ["ProxyProtocolLog"] = "Listening",
        ["StatusLog"] = "Status",
    };

    [Fact]
    public async Task The_table_of_the_README_has_a_row_for_each_message_with_its_category_id_name_and_level()
    {
        var messages = Messages().Select(static message
            => $"| `{message.Category}` | {message.Id} | `{message.Name}` | {message.Level} |").ToList();

        var readme = await File.ReadAllLinesAsync(Repository.PathOf("README.md"));
        var documented = readme.Where(static line
            => _categories.Values.Any(category => line.StartsWith($"| `{category}` |", StringComparison.Ordinal)));

        Assert.All(messages, row => Assert.Single(documented, line => line.StartsWith(row, StringComparison.Ordinal)));
        Assert.Equal(messages.Count, documented.Count());
        Assert.InRange(messages.Count, 30, int.MaxValue);
    }

    [Fact]
    public void An_id_stands_for_one_message_of_its_category()
        => Assert.All(
            Messages().GroupBy(static message => (message.Category, message.Id)),
            static messages => Assert.Single(messages));

    private static IEnumerable<(string Category, int Id, string Name, LogLevel Level)> Messages()
        => from type in typeof(EventLoopTransportFactory).Assembly.GetTypes()
           from method in type.GetMethods(
               BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public | BindingFlags.DeclaredOnly)
           let message = method.GetCustomAttribute<LoggerMessageAttribute>()
           where message is not null
           select (_categories[type.Name], message.EventId, message.EventName!, message.Level);
}
