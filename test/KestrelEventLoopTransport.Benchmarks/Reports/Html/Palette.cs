using System.Text;
using KestrelEventLoopTransport.Benchmarks.Driver;

namespace KestrelEventLoopTransport.Benchmarks.Reports.Html;

// A class of report.html for each candidate, which gives it the same colour wherever it stands.
internal sealed class Palette
{
    private const int Colours = 8;

    private readonly Dictionary<string, string> _classes = [];
    private int _next;

    public Palette(IEnumerable<WorkloadResult> workloads)
    {
        foreach (var candidate in workloads.SelectMany(row => row.Saturated.Results).Select(result => result.Candidate))
        {
            if (!_classes.ContainsKey(candidate.Name))
            {
                _classes.Add(candidate.Name, ClassOf(candidate));
            }
        }
    }

    public string this[Candidate candidate] => _classes[candidate.Name];

    public string Legend(IEnumerable<Candidate> candidates)
    {
        var text = new StringBuilder("<ul class=\"legend\">");
        foreach (var candidate in candidates.DistinctBy(candidate => candidate.Name))
        {
            text.Append($"<li class=\"{this[candidate]}\">{HtmlReport.Encode(candidate.Name)}</li>");
        }

        return text.Append("</ul>").ToString();
    }

    // Stock is grey, the floor pale.
    private string ClassOf(Candidate candidate) => candidate switch
    {
        { Name: Candidate.Baseline } => "stock",
        { IsStock: true } => "inline",
        { IsFloor: true } => "floor",
        _ => $"c{_next++ % Colours}",
    };
}
